"""Webhooks: what they say, who may send, that nothing acknowledged is lost, what becomes of them."""
