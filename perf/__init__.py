"""Host side of measuring: boots guests, reads their benchmark lines, keeps result files, draws the report."""
