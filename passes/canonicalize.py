"""canonicalize: one form for each computation: the contract's.

    %m = conv from nothing(%q); %z = add(%a, %m)   -->   %z = conv from stream(%q, %a)
    %s = mul(%v, %w);           %y = add(%s, %t)   -->   %y = mul_add(%v, %w, %t)
    %b = slice c:d(slice a:b(%x))                  -->   %b = slice a+c:a+d(%x)
    %b = slice of everything(%x)                   -->   %x

The first is the mixin continuing the dilated convolution's accumulation, the second a FiLM or a
blend.  Both need the product's stream to have no other reader.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from schedc.ir.graph import Graph, GraphBuilder, Node
from schedc.ir.ops import Combine, Conv, Elementwise, Slice, Start
from schedc.ir.program import Program


@dataclass(frozen=True)
class Canonicalize:
    name: str = "canonicalize"

    def __call__(self, program: Program) -> Program:
        graph = merge_slices(program.graph)
        return program.with_graph(fuse_additions(graph))


def merge_slices(graph: Graph) -> Graph:
    """Slices of slices become one; slices of everything vanish."""
    builder = GraphBuilder(graph.recipes)
    renamed: dict[str, str] = {}
    for node in graph:
        operands = tuple(renamed.get(name, name) for name in node.operands)
        op = node.op
        if isinstance(op, Slice):
            if op.out_channels == op.in_channels:
                renamed[node.name] = operands[0]
                continue
            source = builder.nodes[operands[0]]
            if isinstance(source.op, Slice):
                begin = source.op.begin + op.begin
                op = Slice(source.op.in_channels, begin, begin + op.out_channels)
                operands = source.operands
        builder.add(node.name, op, *operands)
    return builder.build()


def fuse_additions(graph: Graph) -> Graph:
    """Additions whose one operand is a single-use product become part of it."""
    fused: dict[str, Node] = {}  # addition -> what replaces it
    gone: set[str] = set()
    for node in graph:
        product = _absorbable_product(graph, node)
        if product and product.name not in gone:
            fused[node.name] = _fuse(product, node)
            gone.add(product.name)
    builder = GraphBuilder(graph.recipes)
    renamed: dict[str, str] = {}
    for node in graph:
        if node.name in gone:
            continue
        result = fused.get(node.name, node)
        renamed[node.name] = result.name
        builder.add(result.name, result.op, *(renamed[operand] for operand in result.operands))
    return builder.build()


def _absorbable_product(graph: Graph, node: Node) -> Node | None:
    """The mixin (second operand) or the multiplication (first operand) of an addition, if only it reads it."""
    if not (isinstance(node.op, Combine) and node.op.kind is Elementwise.ADD):
        return None
    first, second = (graph[name] for name in node.operands)
    if isinstance(second.op, Conv) and second.op.start is Start.NOTHING and _single_use(graph, second, node):
        return second
    if isinstance(first.op, Combine) and first.op.kind is Elementwise.MUL and _single_use(graph, first, node):
        return first
    return None


def _single_use(graph: Graph, product: Node, reader: Node) -> bool:
    reads = [name for consumer in graph.consumers(product.name) for name in consumer.operands]
    return reads.count(product.name) == 1 and product.name in reader.operands


def _fuse(product: Node, addition: Node) -> Node:
    first, second = addition.operands
    if isinstance(product.op, Conv):  # keeps its name: its weights are filed under it
        return Node(product.name, replace(product.op, start=Start.STREAM), (*product.operands, first))
    op = Combine(Elementwise.MUL_ADD, addition.channels)
    return Node(addition.name, op, (*product.operands, second))
