"""Clients of the coordinator that run in the user's own programs: Scrapy, asyncio, Celery."""
