"""Where calls go: trunks, routes of numbers, mailboxes, call buttons, caller IDs, service and emergency numbers."""
