"""JUnit XML as CI servers read it: a suite for each program or boot, a case for each KTAP result."""
import re
import xml.etree.ElementTree as xml

from . import ktap

# Characters that XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")


def _clean(text):
    return _FORBIDDEN.sub("\ufffd", text)


def write(path, suites):
    """`suites`: objects with name, cases (ktap.Case) and seconds."""
    root = xml.Element("testsuites")
    for suite in suites:
        element = xml.SubElement(root, "testsuite", name=suite.name, tests=str(len(suite.cases)),
                                 failures=str(sum(c.outcome == ktap.FAILED for c in suite.cases)),
                                 skipped=str(sum(c.outcome == ktap.SKIPPED for c in suite.cases)),
                                 time=f"{suite.seconds:.3f}")
        for case in suite.cases:
            _case(element, suite, case)
    xml.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _case(parent, suite, case):
    element = xml.SubElement(parent, "testcase", classname=_clean(suite.name), name=_clean(case.name))
    if case.outcome == ktap.FAILED:
        failure = xml.SubElement(element, "failure", message=_clean(case.detail.split("\n")[-1][:200]))
        failure.text = _clean(case.detail)
    elif case.outcome == ktap.SKIPPED:
        xml.SubElement(element, "skipped", message=_clean(case.detail[:200]))
