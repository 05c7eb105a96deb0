"""The documents: every ./x command in them is understood by the real argument parsers, every row and file they name exists."""
import contextlib
import importlib
import io
import os
import re
import shlex
import subprocess
import tempfile
import unittest
from unittest import mock

from perf import suite
from x import build, cli, usage
from x.usage import ROOT

# words that stand for something of the reader's
_STAND_INS = {"BENCH": "ipc/rpc_inline/64", "VERB": "bench", "RE": "ipc"}
_INLINE = re.compile(r"`\./x ([^`]+)`")
_REGISTERED = re.compile(r'^BENCHMARK\("([^"]+)"', re.MULTILINE)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def documents():
    """Paths of all Markdown files that users read."""
    found = ["README.md"]
    for folder in ("docs", "bench", "perf", "osfmk", "toolchain"):
        for where, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders[:] = sorted(folders)
            found += [os.path.relpath(os.path.join(where, name), ROOT) for name in sorted(names) if name.endswith(".md")]
    return found


def commands(text):
    """[(line, words)] of the ./x commands of a document, explanations behind two spaces left out."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced and re.match(r"(\$ )?\./x\b", line):
            yield number, _words(re.sub(r"^(\$ )?\./x", "", line))
        elif not fenced:
            # a verb alone is spoken of, not called
            yield from ((number, words) for words in map(_words, _INLINE.findall(line)) if len(words) > 1 or words[0] not in cli.VERBS)


def _words(text):
    text = re.split(r"\s{2,}|\s+#\s|\s&&\s|\s[|>;]\s", text.strip())[0]
    words = shlex.split(re.sub(r"\[[^]]*\]", "", text))
    return [_STAND_INS.get(word, word) for word in words]


class _Parsed(Exception):
    """The parser took the words; nothing after it is to run."""


def _parse(words):
    """What the verb's own parser makes of the words, or None for a verb that passes them on."""
    verb, *rest = words
    module = importlib.import_module(cli.VERBS[verb][0])
    original = usage.Parser.parse_args

    def stop(self, *given, **named):
        raise _Parsed(original(self, *given, **named))

    with mock.patch.object(usage.Parser, "parse_args", stop):
        try:
            if cli.VERBS[verb][0].startswith("perf."):
                module.main(verb, rest)
            else:
                module.main(rest)
        except _Parsed as parsed:
            return parsed.args[0]
    return None


# these hand their words to another program
_PASSED_ON = {"cc"}


class Example(unittest.TestCase):
    """The benchmark that docs/adding-a-benchmark.md writes."""

    def setUp(self):
        with open(os.path.join(ROOT, "docs/adding-a-benchmark.md"), encoding="utf-8") as source:
            self.text = source.read()
        self.code = re.search(r"```c\n(.*?)```", self.text, re.DOTALL).group(1)

    def compiled(self, code):
        """What the compiler says of it, with the headers that a benchmark sees."""
        out = build.build("release", quiet=True)
        command = ["clang-19", "--target=arm64-apple-macos12", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-nostdlibinc",
                   "-isystem", os.path.join(out, "sysroot/usr/include"), "-I" + os.path.join(ROOT, "bench"), "-xc", "-"]
        return subprocess.run(command, input=code, capture_output=True, text=True, check=False).stderr

    def test_it_compiles(self):
        self.assertEqual(self.compiled(self.code), "")
        self.assertIn("error", self.compiled(self.code.replace("bench_loop", "bench_lop")))

    def test_the_host_knows_its_row(self):
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "bench/guest"))
            with open(os.path.join(folder, "bench/guest/identity.c"), "w", encoding="utf-8") as out:
                out.write(self.code)
            self.assertEqual([row.name for row in suite.rows(folder)], _REGISTERED.findall(self.code))

    def test_its_options_exist(self):
        with open(os.path.join(ROOT, "bench/harness/bench.h"), encoding="utf-8") as source:
            header = source.read()
        options = re.findall(r"^\| `\.(\w+) = ", self.text, re.MULTILINE)
        self.assertGreater(len(options), 4)
        for option in options:
            self.assertRegex(header, rf"\b{option};", option)


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.texts = {}
        for path in documents():
            with open(os.path.join(ROOT, path), encoding="utf-8") as source:
                cls.texts[path] = source.read()
        cls.rows = suite.rows(ROOT)

    def fault(self, words, text=""):
        """What is wrong with a command of a document, or None. A document may register rows of its own."""
        self.own = set(_REGISTERED.findall(text))
        if not words or words[0] in ("help", "--help"):
            return None
        if words[0] not in cli.VERBS:
            return f"no verb '{words[0]}'"
        if words[0] in _PASSED_ON or "--help" in words:
            return None
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parsed = _parse(words)
        except SystemExit:
            return f"refused: {said.getvalue().strip()}"
        return self.unknown_rows(words[0], parsed) if parsed else "not parsed"

    def unknown_rows(self, verb, parsed):
        named = getattr(parsed, "benchmark", None) or []
        known = {row.name for row in self.rows} | self.own
        for name in [named] if isinstance(named, str) else named:
            if name not in known:
                return f"no row '{name}'"
        pattern = getattr(parsed, "filter", "")
        if verb == "bench" and pattern and getattr(parsed, "guest", "pluot") == "pluot" and not any(
                re.search(pattern, name) for name in {row.name for row in self.rows} | self.own):
            return f"no row matches '{pattern}'"
        return None

    def test_commands_are_understood(self):
        checked = 0
        for path, text in self.texts.items():
            for number, words in commands(text):
                checked += 1
                with self.subTest(place=f"{path}:{number}", command=" ".join(words)):
                    self.assertIsNone(self.fault(words, text))
        self.assertGreater(checked, 30)

    def test_wrong_commands_are_found(self):
        for line, told in (("frobnicate", "verb"), ("bench --mode fast", "refused"), ("bench --filter nosuch", "no row"),
                           ("build --fast", "refused"), ("profile no/such/row", "")):
            text = f"```\n./x {line}     says what\n```\n"
            [(_, words)] = commands(text)
            self.assertIn(told, self.fault(words) or "", line)
            self.assertIsNotNone(self.fault(words), line)

    def test_links_lead_somewhere(self):
        for path, text in self.texts.items():
            for link in _LINK.findall(text):
                if not link.startswith(("http://", "https://", "mailto:")):
                    target = os.path.join(ROOT, os.path.dirname(path), link)
                    self.assertTrue(os.path.exists(target), f"{path}: {link}")

    def test_every_verb_is_in_the_readme_and_the_docs(self):
        for verb in cli.VERBS:
            self.assertIn(f"./x {verb}", self.texts["README.md"], verb)

    def test_every_page_is_in_the_index(self):
        for path in self.texts:
            if path.startswith("docs/") and path != "docs/README.md":
                self.assertIn(f"]({os.path.basename(path)})", self.texts["docs/README.md"], path)


if __name__ == "__main__":
    unittest.main()
