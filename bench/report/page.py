"""The report of a bench run as one HTML file that needs nothing else: what is expected first, what is missed on top.

    python3 bench/report/page.py RESULTS.json PAGE.html
"""
import html
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from svg import plot  # noqa: E402

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 1080px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; width: 100%; font-size: 14px } th, td { text-align: left; padding: .35rem .6rem; vertical-align: top }
th { border-bottom: 2px solid #999 } tr + tr td { border-top: 1px solid #e4e4e4 } td.number { text-align: right; white-space: nowrap }
.met { color: #0b6e4f } .missed { color: #b3261e; font-weight: 600 } .note, .rounds { color: #666; font-size: 13px }
pre { background: #f6f6f4; padding: .8rem; white-space: pre-wrap; font-size: 13px } svg { max-width: 660px; display: block; margin: 1rem 0 }
svg text { font: 12px system-ui, sans-serif; fill: #333 } .grid { stroke: #e4e4e4 }
"""


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def code(text):
    """Text with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def verdict(figure):
    if not figure["targets"]:
        return "–"
    return "<br>".join(f'{html.escape(target["text"])}: <span class="{"met" if target["met"] else "missed"}">'
                       f'{"met" if target["met"] else "missed"}</span>' for target in figure["targets"])


def row(figure):
    beside = figure["beside"]
    rounds = " ".join(number(value) for value in figure["rounds"])
    cells = [f'{html.escape(figure["what"])}<div class="note">{html.escape(figure["note"])}</div>',
             f'{number(figure["median"])} {html.escape(figure["unit"])}<div class="rounds">{rounds}</div>']
    if beside:
        cells.append(f'{number(beside["median"])} {html.escape(figure["unit"])}<div class="rounds">{html.escape(beside["name"])} '
                     f'({beside["kind"]})</div>')
        cells.append(html.escape(beside["ratio_text"]).replace(" ", "&nbsp;"))
    else:
        cells += ["–", "–"]
    cells.append(verdict(figure))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def table(figures):
    return ("<table><tr><th>what</th><th>figure, median and rounds</th><th>limit or peer of the same rounds</th>"
            "<th>ratio</th><th>target</th></tr>" + "\n".join(map(row, figures)) + "</table>")


def first_table(results):
    """What has a target or a peer that is faster, what is missed first, and where the time goes then."""
    def faster_peer(figure):
        return figure["beside"] and figure["beside"]["kind"] == "peer" and figure["beside"]["ratio"] < 1
    figures = [figure for question in results["questions"] for figure in question["figures"]
               if figure["targets"] or faster_peer(figure)]
    figures.sort(key=lambda figure: (all(target["met"] for target in figure["targets"]), not faster_peer(figure)))
    profiles = "".join(f"<h3>{html.escape(name)}</h3><pre>{html.escape(text)}</pre>" for name, text in results.get("profiles", {}).items())
    return "<h2>Expected, and what came</h2>" + table(figures) + (f"<h2>Where the time goes</h2>{profiles}" if profiles else "")


def page(results):
    parts = [f"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tidemark: how fast is it?</title><style>{STYLE}</style></head>"
             f"<body><h1>Tidemark: how fast is it?</h1><pre>{html.escape(results['setting'])}</pre>", first_table(results)]
    for question in results["questions"]:
        parts.append(f"<h2>{html.escape(question['name'])}</h2><p>{code(question['about'])}</p>"
                     f"<p class=\"note\">The machine's load before was {question['load_before']:.1f}; {question['seconds']} s.</p>" + table(question["figures"]))
        parts += [f"<h3>{html.escape(data['title'])}</h3>" + plot(data) for data in question["plots"]]
        if question.get("failed"):
            parts.append(f"<p class=\"missed\">Could not be measured: {html.escape(question['failed'])}</p>")
    return "\n".join(parts + ["</body></html>"])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(page(results))


if __name__ == "__main__":
    main()
