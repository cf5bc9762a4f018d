"""Logs of Scrapy spiders."""
