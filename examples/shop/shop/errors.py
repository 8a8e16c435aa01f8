"""What can go wrong in a shop, and the HTTP status that says so."""


class ShopError(Exception):
    status = 500
    detail = "Something went wrong"


class NotFound(ShopError):
    status = 404
    detail = "There is no such thing here"


class OutOfStock(ShopError):
    status = 409
    detail = "There is not enough in stock"


class StockUnavailable(ShopError):
    status = 503
    detail = "The stock room does not answer"


class CardDeclined(ShopError):
    status = 402
    detail = "The card was declined"


class PaymentsUnavailable(ShopError):
    status = 502
    detail = "The payment provider cannot be reached"


class PaymentsTooSlow(ShopError):
    status = 504
    detail = "The payment provider took too long"
