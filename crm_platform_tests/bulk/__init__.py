"""What is done to many contacts or chats at once: files, plans, and what a kill leaves."""
