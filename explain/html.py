"""Self-contained HTML pages, with embedded images."""

import base64
import io
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from explain.stats import Estimate


def render(template: str, **values: object) -> str:
    """Render a template of `explain/templates/`."""
    return _environment.get_template(template).render(**values)


def image_uri(image: Image.Image) -> str:
    """Data URI of an image, encoded as PNG."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return png_uri(stream.getvalue())


def png_uri(png: bytes) -> str:
    """Data URI of a PNG file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def percent(share: Estimate | float, digits: int = 1) -> str:
    """Format a share as `91.2% (90.6 to 91.7)`, without the interval for a plain number."""
    if isinstance(share, Estimate):
        value, low, high = (100 * one for one in share)
        return f"{value:.{digits}f}% ({low:.{digits}f} to {high:.{digits}f})"
    return f"{100 * share:.{digits}f}%"


def number(estimate: Estimate, digits: int = 3) -> str:
    """Format an estimate as `0.812 (0.809 to 0.815)`."""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


# Names of files and classes may contain any characters, so everything is escaped.
_environment = Environment(
    loader=PackageLoader("explain"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters |= {"image_uri": image_uri, "quoted": quote, "percent": percent, "number": number}
