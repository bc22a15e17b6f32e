"""Structures, their readers, graphs, images and pictures. No torch here."""
