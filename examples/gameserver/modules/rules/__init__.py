"""The rules of the game. Edit any of these while the server runs."""
