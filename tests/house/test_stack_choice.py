"""Which stack the set-up takes on which machine, and what it says where none fits."""

import pytest

OLD, NEW = (2, 36), (2, 41)  # Debian 12 and Debian 13

DEBIAN_12 = 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
DEBIAN_13 = 'NAME="Debian GNU/Linux"\nVERSION_ID="13"\nID=debian\n'


@pytest.fixture
def choose(bootstrap):
    stacks, pythons = bootstrap("stacks"), bootstrap("pythons")

    def choose(glibc, *minors, stack=""):
        found = [pythons.Interpreter(f"/opt/3.{n}", (3, n, 1), "test") for n in minors]
        candidates = stacks.fitting(stacks.Wish(stack=stack), glibc)
        choice = stacks.choose(candidates, pythons.Found(tuple(found)))
        return choice and (choice.stack.name, choice.python.version[1])

    return choose


@pytest.mark.parametrize(
    ("glibc", "minors", "expected"),
    [
        (OLD, (10, 11, 12, 13), ("tfx116", 10)),
        (OLD, (11, 12, 13), None),
        ((2, 38), (10, 13), ("tfx116", 10)),
        ((2, 39), (10, 13), ("tfx121", 13)),
        (NEW, (11, 10), ("tfx121", 11)),
        (NEW, (11, 12), ("tfx121", 12)),
        (NEW, (10,), ("tfx116", 10)),
        (NEW, (9, 14), None),
        (NEW, (), None),
    ],
)
def test_takes_the_newest_stack_that_the_c_library_and_the_pythons_allow(
    choose, glibc, minors, expected
):
    assert choose(glibc, *minors) == expected


def test_a_wish_for_the_older_stack_is_followed(choose):
    assert choose(NEW, 13, 10, stack="tfx116") == ("tfx116", 10)


def test_a_wish_that_the_c_library_forbids_is_refused_with_both_versions(choose, bootstrap):
    with pytest.raises(bootstrap("problem").Problem) as caught:
        choose(OLD, 13, stack="tfx121")
    assert str(caught.value) == (
        "TFX 1.21 needs glibc 2.39 or newer, this machine has 2.36. Unset GRADGATE_STACK."
    )


def test_an_unknown_stack_is_refused_with_the_known_names(choose, bootstrap):
    with pytest.raises(bootstrap("problem").Problem) as caught:
        choose(NEW, 13, stack="tfx2")
    assert str(caught.value) == "GRADGATE_STACK must be tfx116 or tfx121, got 'tfx2'."


def test_a_machine_too_old_for_both_stacks_is_told_so(choose, bootstrap):
    with pytest.raises(bootstrap("problem").Problem, match=r"TFX 1\.16 needs glibc 2\.28"):
        choose((2, 27), 10)


def test_on_debian_12_the_message_names_what_was_seen_and_how_to_get_python_3_10(bootstrap):
    stacks, pythons = bootstrap("stacks"), bootstrap("pythons")
    found = pythons.Found(
        (pythons.Interpreter("/usr/bin/python3.11", (3, 11, 2), "/usr/bin/python3.11"),),
        (("/shims/python3.10", "does not run"),),
    )
    message = bootstrap("advice").no_python(
        (stacks.TFX_116,), found, OLD, fetch_failure="no route to host", os_release=DEBIAN_12
    )
    assert message.startswith(
        "no fitting Python: with glibc 2.36 this machine needs Python 3.10 for TFX 1.16.\n"
        "Seen:\n"
        "  /usr/bin/python3.11 is 3.11.2\n"
        "  /shims/python3.10 does not run\n"
        "Fetching one with uv failed:\n"
        "  no route to host\n"
        "Do one of these, then run the same command again:\n"
        "  apt-get install -y build-essential "
    )
    assert "pyenv install 3.10" in message
    assert "apt-get install -y python3." not in message  # Debian 12 packages 3.11 only


def test_on_debian_13_the_message_is_one_package_away(bootstrap):
    stacks, pythons = bootstrap("stacks"), bootstrap("pythons")
    message = bootstrap("advice").no_python(
        (stacks.TFX_121, stacks.TFX_116), pythons.Found(()), NEW, os_release=DEBIAN_13
    )
    assert "needs Python 3.11 to 3.13 for TFX 1.21 or Python 3.10 for TFX 1.16" in message
    assert "  apt-get install -y python3.13 python3.13-dev g++\n" in message


def test_a_shim_that_exists_but_does_not_run_is_passed_over(bootstrap, tmp_path):
    shim = tmp_path / "python3.10"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert bootstrap("pythons").probe(str(shim)) == "does not run"


def test_a_python_built_without_a_needed_module_is_passed_over(bootstrap, tmp_path):
    python = tmp_path / "python3.10"
    python.write_text(
        "#!/bin/sh\n"
        'echo \'{"path": "/opt/python3.10", "version": [3, 10, 4], "implementation": "CPython",'
        ' "is_free_threaded": false, "is_64_bit": true, "missing": ["lzma", "sqlite3"]}\'\n'
    )
    python.chmod(0o755)
    assert bootstrap("pythons").probe(str(python)) == "3.10.4 was built without lzma, sqlite3"


def test_an_unselected_pyenv_version_is_found_in_its_folder(bootstrap, tmp_path, monkeypatch):
    folder = tmp_path / "versions" / "3.10.99" / "bin"
    folder.mkdir(parents=True)
    python = folder / "python3.10"
    python.write_text(
        f'#!/bin/sh\necho \'{{"path": "{python}", "version": [3, 10, 99],'
        ' "implementation": "CPython", "is_free_threaded": false, "is_64_bit": true,'
        ' "missing": []}\'\n'
    )
    python.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    found = {str(python) for python in bootstrap("pythons").find().interpreters}
    assert "Python 3.10.99 (pyenv)" in found
