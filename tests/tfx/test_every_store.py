"""What every object store must do. A new one is added to STORES in conftest.py and nowhere else."""

import pytest

from gradgate.tfx.pusher.object_store import SCHEMES, open_store, scheme_of


def put(store, key, data):
    found = store.read(key)
    assert store.write(key, data, over=found)
    return store.read(key)


def test_what_is_not_there_is_none_and_no_key_and_no_folder(store):
    assert store.read("nothing") is None
    assert store.keys("nothing") == []
    assert store.folders() == []
    with pytest.raises(FileNotFoundError, match="nothing/at/all"):
        list(store.chunks("nothing/at/all"))


def test_a_file_is_read_back_byte_for_byte(store, tmp_path):
    data = bytes(range(256)) * 9000  # more than two pieces
    (tmp_path / "file").write_bytes(data)
    store.upload(tmp_path / "file", "a/deep/file")
    assert b"".join(store.chunks("a/deep/file")) == data
    store.copy("a/deep/file", "7/file")
    assert b"".join(store.chunks("7/file")) == data


def test_an_empty_file_is_a_file(store, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    store.upload(tmp_path / "empty", "a/empty")
    assert store.keys("a") == ["empty"]
    assert list(store.chunks("a/empty")) == []


def test_keys_are_below_a_folder_and_folders_are_at_the_top(store):
    for key in ("a/one", "a/b/two", "ab/three", "12/four", "top"):
        put(store, key, b"x")
    assert sorted(store.keys("a")) == ["b/two", "one"]
    assert sorted(store.folders()) == ["12", "a", "ab"]
    store.remove("a/one")
    assert store.keys("a") == ["b/two"]
    for _ in range(2):
        store.remove_folder("a")
        assert sorted(store.folders()) == ["12", "ab"]


def test_keys_are_all_found_where_a_server_gives_them_in_pages(s3_url, monkeypatch):
    from gradgate.tfx.pusher import s3_store

    monkeypatch.setattr(s3_store, "_PAGE", 3)
    store = open_store(s3_url)
    for number in range(8):
        store.write(f"many/{number}", b"", over=None)
    assert len(store.keys("many")) == 8


def test_a_small_object_is_written_only_if_it_still_is_as_it_was_found(store):
    assert store.write("pointer", b"one", over=None)
    assert not store.write("pointer", b"two", over=None)
    first = store.read("pointer")
    assert first.data == b"one"
    assert store.write("pointer", b"two", over=first)
    assert not store.write("pointer", b"three", over=first)
    assert store.read("pointer").data == b"two"
    second = store.read("pointer")
    store.remove("pointer")
    assert not store.write("pointer", b"three", over=second)
    assert store.read("pointer") is None


def test_a_store_that_does_not_answer_is_an_oserror_that_names_it(s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")  # nobody listens there
    store = open_store(s3_url)
    for use in (
        lambda: store.read("pointer"),
        lambda: store.write("pointer", b"", over=None),
        lambda: store.keys("a"),
        store.folders,
        lambda: list(store.chunks("a/file")),
        lambda: store.copy("a", "b"),
    ):
        with pytest.raises(OSError, match=s3_url):
            use()


def test_a_bucket_that_is_not_there_is_an_oserror(s3_url):
    store = open_store("s3://no-such-bucket-here/serving")
    with pytest.raises(OSError, match=r"s3://no-such-bucket-here/serving/pointer: .*NoSuchBucket"):
        store.write("pointer", b"", over=None)


def test_a_whole_bucket_is_an_address_too(s3_url):
    store = open_store(s3_url.removesuffix("/serving/taxi") + "/")
    put(store, "a/one", b"x")
    assert (store.folders(), store.keys("a")) == (["a"], ["one"])


@pytest.mark.parametrize("url", ["ftp://host/dir", "/a/path", "S3://bucket"])
def test_only_known_schemes_are_opened(url):
    with pytest.raises(ValueError, match="begins with s3:// or gs://, or a directory"):
        open_store(url)
    assert scheme_of(url) not in SCHEMES


def test_without_boto3_it_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "gradgate.tfx.pusher.s3_store", raising=False)
    with pytest.raises(OSError, match=r"boto3 is not installed\. Install gradgate\[s3\]"):
        open_store("s3://bucket/serving")
