"""When does it run, and who is told?"""

import sys

# The runner and plotly import nbformat, it imports jsonschema, and that builds a grammar of
# international web addresses wherever rfc3987_syntax can be imported: 2 s in every process and
# every kernel, for a check that no notebook needs. None means: not there.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # typed as a module
