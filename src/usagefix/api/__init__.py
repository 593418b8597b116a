"""The application's API: its URL, one post to it, and the meaning of its answer. Only ``post`` speaks HTTP.

usagefix sends the token only to the host that the person named: it follows no redirect, and no text that leaves this
package contains the token.
"""

from usagefix.api.address import Api
from usagefix.api.answer import excerpt, judged

__all__ = ["Api", "excerpt", "judged"]
