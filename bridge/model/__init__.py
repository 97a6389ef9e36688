"""The vocabulary: frozen values and columns that pass between the parts."""
