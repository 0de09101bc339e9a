"""Work pools whose runs have a container each; the `.json` files are their job templates."""
