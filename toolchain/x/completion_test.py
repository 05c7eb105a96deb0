"""What the shells offer: asked of the table, and through the scripts in the shells themselves."""
import os
import shutil
import subprocess
import unittest

from x import cli, completion, usage

# In zsh's completion these two exist; here they show what they are given.
ZSH_STAND_INS = "compdef() { : }; compadd() { while [[ $1 == -* && $1 != -- ]]; do [[ $1 == -S ]] && shift; shift; done; print -l -- ${@:2} }"


def answers(*words):
    return completion.answers(list(words), cli.VERBS)


class Words(unittest.TestCase):
    def test_verbs(self):
        self.assertEqual(answers(""), [*cli.VERBS, "help"])
        self.assertEqual(answers("com"), ["compare", "completion"])
        self.assertEqual(answers("frobnicate", ""), [])

    def test_every_verb_shows_its_options(self):
        for verb in cli.VERBS:
            with self.subTest(verb):
                parser = completion.parser_of(verb, cli.VERBS)
                if parser is None:
                    self.assertEqual(verb, "cc", "only x cc hands all its words to a compiler")
                else:
                    self.assertIn("--help", answers(verb, "--"))

    def test_options_are_not_offered_twice(self):
        self.assertIn("--filter", answers("bench", "--f"))
        self.assertEqual(answers("bench", "--filter", "x", "--f"), [])
        self.assertIn("--append", answers("run", "--append", "a", "--a"))

    def test_values(self):
        self.assertEqual(answers("build", "--variant", ""), list(usage.VARIANTS))
        self.assertEqual(answers("bench", "--mode", "count,ti"), ["count,time"])
        self.assertEqual(answers("completion", ""), ["bash", "zsh"])
        self.assertEqual(answers("gate", "--accept", ""), [])

    def test_rows(self):
        for verb in ("profile", "sharing", "trace", "stat"):
            if verb in cli.VERBS:
                self.assertIn("ipc/rpc_inline/64", answers(verb, "ipc/rpc"), verb)
        self.assertIn("syscall/null_mach", answers("bench", "--filter", "sys"))

    def test_sides(self):
        self.assertIn("HEAD", answers("compare", "HE"))
        self.assertEqual(answers("compare", "HEAD", "tre"), ["tree"])

    def test_files_and_folders(self):
        tools = os.path.join(usage.ROOT, "toolchain")
        self.assertEqual(answers("bench", "--build", tools), [tools + "/"])
        self.assertEqual(answers("cc", tools + "/layer"), [tools + "/layer.gni"])


class Shells(unittest.TestCase):
    def said(self, shell, before, ask):
        script = f'{before}; eval "$(./x completion {shell})"; {ask}'
        done = subprocess.run([shell, "-c", script], cwd=usage.ROOT, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash(self):
        ask = 'COMP_WORDS=(./x {words}); COMP_CWORD={at}; _pluot_x; printf "%s\\n" "${{COMPREPLY[@]}}"'
        self.assertEqual(self.said("bash", ":", ask.format(words="buil", at=1)), ["build"])
        self.assertEqual(self.said("bash", ":", ask.format(words='bench --guest ""', at=3)), ["pluot", "linux"])
        self.assertIn("vm/protect_pair", self.said("bash", ":", ask.format(words="profile vm/pro", at=2)))

    def test_zsh(self):
        if not shutil.which("zsh"):
            self.skipTest("zsh is not installed")
        ask = "words=(./x {words}); CURRENT={at}; _pluot_x"
        self.assertEqual(self.said("zsh", ZSH_STAND_INS, ask.format(words="buil", at=2)), ["build"])
        self.assertEqual(self.said("zsh", ZSH_STAND_INS, ask.format(words="bench --guest ''", at=4)), ["pluot", "linux"])
        self.assertEqual(self.said("zsh", ZSH_STAND_INS, ask.format(words="build --variant d", at=4)), ["debug"])
        self.assertEqual(self.said("zsh", ZSH_STAND_INS, ask.format(words="cc osf", at=3)), ["osfmk/"])


if __name__ == "__main__":
    unittest.main()
