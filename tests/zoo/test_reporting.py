from matplotlib.figure import Figure

from zoo.reporting import markdown, svg


def test_a_table_in_markdown() -> None:
    table = markdown(["name", "number"], "lr", [["one", "1"], ["a | b\nc", "2"]])
    assert table == "| name | number |\n| --- | --: |\n| one | 1 |\n| a \\| b c | 2 |"


def test_the_same_figure_makes_the_same_bytes() -> None:
    files = []
    for _ in range(2):
        figure = Figure()
        figure.add_subplot().plot([0, 1], label="line")
        files.append(svg(figure, "zoo test"))
    assert files[0] == files[1]
    assert b"zoo test" in files[0]
