"""A folder is whole when it holds what its manifest says, and nothing else."""

import pytest

from gan_jax import manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'a').write_text('a')
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more/b').write_text('b')
    manifest.write(tmp_path, {'step': 3})
    return tmp_path


def test_a_whole_folder_gives_its_facts(folder):
    assert manifest.read(folder) == {'step': 3}
    (folder / manifest.KEEP).touch()  # a mark of the person's own
    assert manifest.read(folder) == {'step': 3}


def test_a_file_too_many_is_told(folder):
    (folder / 'more/c').write_text('')
    with pytest.raises(ValueError, match=r'^more/c is not in manifest.json$'):
        manifest.read(folder)


@pytest.mark.parametrize('said', ['a', None, [], {'bytes': 1}, {'bytes': 1, 'sha256': '', 'more': 1}])
def test_a_manifest_that_describes_files_otherwise_is_damaged(said, tmp_path, monkeypatch):
    (tmp_path / 'a').write_text('a')
    with monkeypatch.context() as patch:
        patch.setattr(manifest, '_describe', lambda path: said)
        manifest.write(tmp_path, {})
    with pytest.raises(ValueError, match=r'manifest.json is damaged'):
        manifest.read(tmp_path)
