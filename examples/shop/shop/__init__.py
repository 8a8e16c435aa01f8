"""A small shop: products, a checkout with two upstreams, orders."""
