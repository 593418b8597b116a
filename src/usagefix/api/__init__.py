"""The application's API: where it is, one post to it, and what its answer means. Only ``post`` speaks HTTP.

The token goes to the host that was named, and nowhere else: no redirect is followed, and no text that leaves this
package holds it.
"""

from usagefix.api.address import Api
from usagefix.api.answer import excerpt, judged

__all__ = ["Api", "excerpt", "judged"]
