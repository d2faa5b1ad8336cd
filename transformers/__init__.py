"""Stage 6: readings become typed values; nothing here reads an image or a database."""
