"""A place for notes, three times: on SQLAlchemy, on Tortoise ORM and on databases."""
