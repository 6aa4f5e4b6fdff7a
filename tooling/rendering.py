"""How the built book shows an explorer: a picture, and the chart for a script to put in its place.

Vega-Lite is compiled to Vega here, so that no page has to do it.
``pyproject.toml`` tells MyST-NB of :class:`Renderer`.
"""

import html
import json
from pathlib import Path

import vl_convert
from docutils import nodes

from support.outputs import EXPLORER

START = """\
<div class="explorer" id="explorer-{name}">
<div class="explorer-controls"></div>
<div class="explorer-chart"></div>
{form}<details class="explorer-numbers"><summary>The numbers as a table</summary>
<div class="explorer-scroll" tabindex="0" role="region" aria-label="{label}"><table>
<thead><tr>{heads}</tr></thead><tbody></tbody></table></div></details>
<p class="explorer-buttons"><button type="button" class="explorer-reset">Start again</button>
<button type="button" class="explorer-copy">Copy the numbers</button>{link}</p>
<p class="explorer-says" role="status"></p>
<script type="application/json">{spec}</script>
"""
LINK = '\n<a class="explorer-link" href="#explorer-{name}">Link to these numbers</a>'
FORM = """\
<form class="explorer-form" autocomplete="off">
<label>Groups, a line each: name, effect, standard error
<textarea name="groups" rows="9" spellcheck="false" aria-describedby="explorer-{name}-fault">
{groups}</textarea></label>
<label>scale of the prior of μ
<input type="number" name="scale_mu" value="{scale_mu}" min="0" step="any"></label>
<label>scale of the prior of τ
<input type="number" name="scale_tau" value="{scale_tau}" min="0" step="any"></label>
<p class="explorer-fault" id="explorer-{name}-fault" role="status"></p>
</form>
"""


class Renderer:
    """MyST-NB's plugin for charts of Vega-Lite."""

    # Figures are pictures on the pages, which are smaller; on paper they are drawn (tooling/scripts/pdf.py).
    mime_priority_overrides = (("*", EXPLORER, 1), ("*", "image/svg+xml", None))

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the nodes that show a chart; None for any other output, which is MyST-NB's own."""
        if inline or data.mime_type != EXPLORER:
            return None
        # Which version it is, only JupyterLab must be told.
        spec = {key: value for key, value in data.content.items() if key != "$schema"}
        explorer = spec["usermeta"]["explorer"]
        picture = vl_convert.vegalite_to_svg(spec).encode()
        # Two pages may have an explorer of one name, each with data of its own.
        name = f"explorer-{explorer['name']}-{Path(renderer.source).stem}.svg"
        path = renderer.write_file([name], picture, overwrite=True)
        image = nodes.image(uri=path, alt=spec["description"], classes=["explorer-picture"])
        return [
            nodes.raw(text=_before(vl_convert.vegalite_to_vega(spec), explorer), format="html"),
            image,
            nodes.raw(text="</div>", format="html"),
        ]


def _before(spec, explorer):
    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for _, head in explorer["numbers"])
    # Nothing in it may end the script.
    text = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c")
    link = form = ""
    if fields := explorer["form"]:
        link = LINK.format(**explorer)
        form = FORM.format(name=explorer["name"], **{key: html.escape(str(fields[key])) for key in fields})
    label = f"The numbers of the explorer {explorer['name']}"
    return START.format(name=explorer["name"], heads=heads, label=label, link=link, form=form, spec=text)
