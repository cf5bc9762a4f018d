from tests.browser_page import browser

__all__ = ["browser"]
