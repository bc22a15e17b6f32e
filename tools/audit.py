"""`make audit`: known vulnerabilities and licences of all that the package needs, its extras included.

python tools/audit.py [--installed] [--licences] [--write docs/licences.md]

Licences are read from what is installed; each must be on the list ALLOWED. Vulnerabilities are asked of PyPI by pip-audit, which
needs the network. Exit status 0: nothing found; 1: a vulnerability, or a licence that is not allowed or not known; 2: something
could not be checked, which is no pass.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

US = "deep-andersonn"
MARK = "<!-- tools/audit.py writes what follows -->"
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-LBNL", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND", "ISC",
    "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-or-later", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""SPDX identifiers of licences that let anyone use, change and give on the package with what it needs. LGPL and MPL are among
them because those libraries are used as they come, and can be exchanged."""
NAMED = {
    "3-clause bsd license": "BSD-3-Clause", "apache 2.0": "Apache-2.0", "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause",
    "isc license": "ISC", "isc license (iscl)": "ISC", "mit license": "MIT", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0", "the unlicense (unlicense)": "Unlicense", "lgpl-3.0": "LGPL-3.0-or-later", "lgplv3 or bsd": "BSD-3-Clause",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
}  # fmt: skip
"""How packages without an SPDX identifier name their licences, in small letters."""
CURE = "python -m pip install -c constraints.txt -e '.[audit,cluster,docs,energy,label,materials-project,notebook,peers,test,web]'"


class Unchecked(Exception):
    """Something could not be looked at."""


class Package(NamedTuple):
    name: str
    version: str
    licence: str


def needed(root=US, found=metadata.distribution):
    """Distributions that the package needs with all its extras, by name; None for those that are not installed."""
    seen, waiting = {}, [(root, None)]
    known = {}
    while waiting:
        name, extras = waiting.pop()
        name = canonicalize_name(name)
        if (name, extras) in seen:
            continue
        seen[name, extras] = True
        try:
            known[name] = found(name)
        except metadata.PackageNotFoundError:
            known[name] = None
            continue
        wanted = known[name].metadata.get_all("Provides-Extra") or [] if extras is None else extras
        for line in known[name].requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in ("", *wanted)):
                waiting.append((requirement.name, tuple(sorted(requirement.extras))))
    del known[canonicalize_name(root)]
    return dict(sorted(known.items()))


def licence_of(facts):
    """The licence in a distribution's metadata as an SPDX expression; "unknown" if it does not say or is not understood."""
    if facts.get("License-Expression"):
        return facts["License-Expression"]
    told = " ".join((facts.get("License") or "").split())
    if told.startswith("Apache License Version 2.0,"):  # the whole text
        return "Apache-2.0"
    classifiers = [c.rpartition("::")[2].strip() for c in facts.get_all("Classifier") or [] if c.startswith("License")]
    for word in (told, *classifiers):
        if word in ALLOWED or word.lower() in NAMED:
            return NAMED.get(word.lower(), word)
    return told if told and len(told) < 60 and told != "UNKNOWN" else "unknown"


def is_allowed(expression):
    """Whether an SPDX expression gives leave: all parts of an AND, one of an OR; brackets first."""
    while inner := re.search(r"\(([^()]*)\)", expression):
        expression = expression.replace(inner[0], "MIT" if is_allowed(inner[1]) else "refused", 1)
    return any(
        all(part.strip() in ALLOWED for part in re.split(r"\bAND\b", way)) for way in re.split(r"\bOR\b", expression)
    )


def licences(installed_only=False, found=None):
    """All packages with licences, and what is wrong.

    Raises:
        Unchecked: a package is not installed, so that nothing is known of it.
    """
    found = needed() if found is None else found
    absent = [name for name, distribution in found.items() if distribution is None]
    if absent and not installed_only:
        raise Unchecked(f"not installed, so not looked at: {', '.join(absent)}\n  cure: {CURE}, or --installed")
    packages = [Package(n, d.version, licence_of(d.metadata)) for n, d in found.items() if d is not None]
    wrong = [f"{p.name} {p.version}: licence {p.licence}" for p in packages if not is_allowed(p.licence)]
    return packages, wrong, absent


def vulnerabilities(packages, run=subprocess.run):
    """What is known against the packages, as lines.

    Raises:
        Unchecked: pip-audit is missing, its service does not answer, or it passed over a package.
    """
    with tempfile.TemporaryDirectory() as place:
        listed = Path(place, "requirements.txt")
        listed.write_text("".join(f"{p.name}=={p.version.partition('+')[0]}\n" for p in packages))
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "-r", str(listed)]
        done = run([sys.executable, "-m", "pip_audit", *options], capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        cure = CURE if "No module named" in last else "check that https://pypi.org can be reached, then again"
        raise Unchecked(f"vulnerabilities were not looked up: {last}\n  cure: {cure}") from None
    names = {canonicalize_name(row["name"]) for row in answer if "skip_reason" not in row}
    passed = sorted({canonicalize_name(p.name) for p in packages} - names)
    if passed:
        reason = next((row["skip_reason"] for row in answer if "skip_reason" in row), "it said nothing of them")
        cure = "the package index in use does not tell vulnerabilities: run it where https://pypi.org can be reached"
        raise Unchecked(
            f"vulnerabilities of {len(passed)} of {len(packages)} packages were not looked up ({reason})\n  cure: {cure}"
        )
    return [
        f"{row['name']} {row['version']}: {bug['id']}, mended in {', '.join(bug['fix_versions']) or 'no version'}"
        for row in answer
        for bug in row["vulns"]
    ]


def written(page, packages, absent):
    """The page of licences with its table renewed, which stands after :data:`MARK`."""
    rows = "\n".join(f"| {p.name} | {p.version} | {p.licence} |" for p in packages)
    lacking = f"\n\nNot installed where this was written, so not in it: {', '.join(absent)}." if absent else ""
    head = page.partition(MARK)[0]
    return f"{head}{MARK}\n\n| package | version | licence |\n|---|---|---|\n{rows}{lacking}\n"


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--installed", action="store_true", help="pass over extras that are not installed")
    parser.add_argument("--licences", action="store_true", help="licences alone, which need no network")
    parser.add_argument("--write", type=Path, help="write the table of licences to this page")
    options = parser.parse_args(words)
    status, wrong = 0, []
    try:
        packages, wrong, absent = licences(options.installed)
        if options.write:
            page = options.write.read_text(encoding="utf-8") if options.write.exists() else ""
            options.write.write_text(written(page, packages, absent), encoding="utf-8")
        print(f"licences of {len(packages)} packages read, {len(wrong)} not allowed or not known")
        if absent:
            print(f"not installed, so not looked at: {', '.join(absent)}")
        if not options.licences:
            found = vulnerabilities(packages)
            print(f"vulnerabilities of {len(packages)} packages looked up, {len(found)} known")
            wrong += found
    except Unchecked as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else status


if __name__ == "__main__":
    sys.exit(main())
