"""The loops under the layers. Each file is imported by the layers that need it, never from here."""
