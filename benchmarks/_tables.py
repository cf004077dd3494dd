"""Markdown tables, as the README shows them."""

import _environment  # noqa: F401  # whoever prints a table has measured in it


def markdown(header, rows):
    """A table whose columns line up in the terminal too; the first column is text, the others are figures."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(header))]

    def line(row):
        first, *others = (
            cell.ljust(width) if j == 0 else cell.rjust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "|" + "|".join([" " + "-" * widths[0] + " ", *(" " + "-" * (w - 1) + ": " for w in widths[1:])]) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])
