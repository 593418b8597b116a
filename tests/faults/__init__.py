"""usagefix killed, or cut off from the server, after each statement that leaves something."""
