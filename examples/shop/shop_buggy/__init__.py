"""The same shop, written in a hurry: what is not here is imported from `shop`."""
