"""Reading captures: `.nam` files to typed models, typed models to graphs."""
