"""Checkpoints that cannot hurt: a broken one is named and passed over, and no other is ever lost."""

import errno
import shutil
from functools import partial

import jax
import pytest

from gan_jax import checkpoint, manifest
from gan_jax.base import UserError
from gan_jax.checkpoint import Checkpoints, superfluous
from gan_jax.state_bytes import from_bytes, state_sha256, to_bytes
from gan_jax.train_state import create_train_state
from helpers import domain_batches, make_gan, small_config


@pytest.fixture(scope='module')
def state():
    config = small_config('gan')
    images = {domain: batch[0] for domain, batch in domain_batches(config, 1).items()}
    return jax.jit(partial(create_train_state, gan=make_gan(config)))(jax.random.key(0), images)


def at(state, step):
    """The state as it were at another step, with other numbers."""
    params = jax.tree.map(lambda x: x + step, state.params)
    return state.replace(step=state.step + step, images_seen=state.images_seen + 16 * step, params=params)


@pytest.fixture(scope='module')
def saved(state, tmp_path_factory):
    """A workdir with checkpoints at steps 1 and 2."""
    workdir = tmp_path_factory.mktemp('saved')
    write(workdir, state, [1, 2])
    return workdir


def test_the_best_one_is_found_again(state, tmp_path):
    """By its rank; what is no number is never the best."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    assert checkpoints.best() is None
    assert not checkpoints.is_best(float('nan'))
    assert checkpoints.is_best(-3.0)
    checkpoints.save(at(state, 1), best=-3.0)
    checkpoints.wait()
    assert not checkpoints.is_best(-4.0)
    assert not checkpoints.is_best(float('nan'))
    checkpoints.save(at(state, 2))
    checkpoints.save(at(state, 3), best=-2.0)
    checkpoints.close()
    assert checkpoints.best() == 3
    assert checkpoints.steps() == [3]


def write(workdir, state, steps, keep=9, say=print):
    checkpoints = Checkpoints(workdir, keep, say)
    for step in steps:
        checkpoints.save(at(state, step))
    checkpoints.wait()
    checkpoints.close()


def files(folder):
    return sorted(path for path in folder.rglob('*') if path.is_file())


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b'')


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def link(path):
    """The same bytes, but from elsewhere, where anybody may change them."""
    elsewhere = path.with_name('elsewhere')
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize('damage', [cut, empty, flip, link, lambda path: path.unlink()])
def test_any_damage_to_any_file_of_the_newest_is_told_and_passed_over(damage, saved, state, tmp_path):
    number = len(files(saved / 'checkpoints' / '2'))
    assert number > 5
    for place in range(number):
        workdir = shutil.copytree(saved, tmp_path / str(place))
        path = files(workdir / 'checkpoints' / '2')[place]
        damage(path)
        said = []
        checkpoints = Checkpoints(workdir, keep=9, say=said.append)
        restored = checkpoints.restore_newest(state)
        assert state_sha256(restored) == state_sha256(at(state, 1)), path
        assert len(said) == 1, said
        assert said[0].startswith('the checkpoint at step 2 is broken (')
        assert checkpoints.steps() == [1]
        assert (workdir / 'checkpoints' / '2.broken').is_dir()  # nothing is thrown away
    write(workdir, state, [2])  # the run comes there again
    assert state_sha256(Checkpoints(workdir).restore_newest(state)) == state_sha256(at(state, 2))


def test_every_bit_of_a_checkpoint_counts(saved, state, tmp_path):
    """One bit of each of many bytes of all files, in turn; those of the manifest among them."""
    workdir = shutil.copytree(saved, tmp_path / 'run')
    for path in files(workdir / 'checkpoints' / '2'):
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 7)):
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 8
            path.write_bytes(changed)
            with pytest.raises(ValueError, match=r'damaged|changed|missing|bytes instead'):
                Checkpoints(workdir).facts(2)
        path.write_bytes(whole)
    assert Checkpoints(workdir).facts(2)['state_sha256'] == state_sha256(at(state, 2))


def test_a_disk_that_cannot_read_the_newest_is_told_and_the_one_before_taken(saved, state, monkeypatch):
    read = manifest.read

    def failing(folder):
        if folder.name == '2':
            raise OSError(errno.EIO, 'Input/output error')
        return read(folder)

    monkeypatch.setattr(manifest, 'read', failing)
    said = []
    assert int(Checkpoints(saved, say=said.append).restore_newest(state).step) == 1
    assert said == ['the checkpoint at step 2 is broken (it cannot be read: Input/output error): passed over']


def test_a_checkpoint_under_another_number_is_not_taken(saved, state, tmp_path):
    workdir = shutil.copytree(saved, tmp_path / 'run')
    shutil.copytree(workdir / 'checkpoints' / '1', workdir / 'checkpoints' / '9')
    shutil.copytree(workdir / 'checkpoints' / '1', workdir / 'checkpoints' / '0099')
    said = []
    checkpoints = Checkpoints(workdir, keep=9, say=said.append)
    assert checkpoints.steps() == [1, 2, 9]
    assert int(checkpoints.restore_newest(state).step) == 2
    assert said == ['the checkpoint at step 9 is broken (it is that of step 1): passed over']


def test_a_state_that_is_not_the_one_saved_is_not_taken(saved, state, tmp_path):
    """Though all files are as their manifest says, which somebody has made to fit."""
    workdir = shutil.copytree(saved, tmp_path / 'run')
    first, second = (workdir / 'checkpoints' / step for step in '12')
    shutil.rmtree(second / 'state')
    shutil.copytree(first / 'state', second / 'state')
    facts = manifest.read(first) | {'step': 2}
    (second / 'manifest.json').unlink()
    manifest.write(second, facts | {'state_sha256': '0' * 64})
    with pytest.raises(ValueError, match='the state is not the one that was saved'):
        Checkpoints(workdir).restore(2, state)


def test_a_checkpoint_of_another_network_is_not_taken(saved):
    config = small_config('gan', gan__generator_units=17)
    images = {domain: batch[0] for domain, batch in domain_batches(config, 1).items()}
    other = jax.eval_shape(partial(create_train_state, gan=make_gan(config)), jax.random.key(0), images)
    with pytest.raises(ValueError, match='it is of another network: '):
        Checkpoints(saved).restore(2, other)


@pytest.mark.parametrize(
    'change',
    [
        lambda facts: facts | {'loss': 0.5},
        lambda facts: facts | {'step': '2'},
        lambda facts: {name: fact for name, fact in facts.items() if name != 'state_sha256'},
    ],
)
def test_a_manifest_of_another_version_is_told_and_passed_over(change, saved, state, tmp_path):
    workdir, said = shutil.copytree(saved, tmp_path / 'run'), []
    newest = workdir / 'checkpoints' / '2'
    facts = manifest.read(newest)
    (newest / 'manifest.json').unlink()
    manifest.write(newest, change(facts))
    assert int(Checkpoints(workdir, say=said.append).restore_newest(state).step) == 1
    assert said == ['the checkpoint at step 2 is broken (manifest.json is of another version): passed over']


def test_one_that_its_run_deletes_meanwhile_is_not_broken(saved, state, tmp_path, monkeypatch, capsys):
    """Each of the two goes when it is about to be read; the run has left a newer one by then."""
    workdir, said = shutil.copytree(saved, tmp_path / 'run'), []
    read = manifest.read

    def delete(folder):
        if folder.name in '12':
            shutil.rmtree(folder)
            if folder.name == '1':
                write(workdir, state, [3])
        return read(folder)

    with monkeypatch.context() as patch:
        patch.setattr(manifest, 'read', delete)
        assert int(Checkpoints(workdir, say=said.append).restore_newest(state).step) == 3
        assert said == []
        shutil.copytree(saved / 'checkpoints' / '2', workdir / 'checkpoints' / '2')
        checkpoint.main([f'--workdir={workdir}'])
    out, _ = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()] == [['step', '3']]


def test_what_is_saved_already_is_not_written_again(state, tmp_path):
    said = []
    checkpoints = Checkpoints(tmp_path, keep=9, say=said.append)
    checkpoints.save(at(state, 1))
    checkpoints.wait()
    before = [path.stat().st_mtime_ns for path in files(tmp_path)]
    checkpoints.save(at(state, 1))
    checkpoints.close()
    assert [path.stat().st_mtime_ns for path in files(tmp_path)] == before
    assert said == []


def test_where_all_are_broken_nothing_is_touched(saved, state, tmp_path):
    workdir = shutil.copytree(saved, tmp_path / 'run')
    for step in '12':
        cut(workdir / 'checkpoints' / step / 'manifest.json')
    before = files(workdir)
    with pytest.raises(UserError, match=r'is whole, that of step 2 as manifest.json is damaged'):
        Checkpoints(workdir, keep=1).restore_newest(state)
    assert files(workdir) == before


def test_reading_changes_nothing(saved, state, tmp_path):
    workdir = shutil.copytree(saved, tmp_path / 'run')
    flip(files(workdir / 'checkpoints' / '2')[0])
    (workdir / 'checkpoints' / '.3.tmp').mkdir()  # a run may be writing it
    before = sorted(workdir.rglob('*'))
    Checkpoints(workdir).restore_newest(state)
    assert sorted(workdir.rglob('*')) == before


def test_what_a_kill_left_half_written_is_no_checkpoint(saved, state, tmp_path):
    workdir = shutil.copytree(saved, tmp_path / 'run')
    shutil.copytree(workdir / 'checkpoints' / '2', workdir / 'checkpoints' / '.3.tmp')
    checkpoints = Checkpoints(workdir, keep=9)
    assert checkpoints.steps() == [1, 2]
    assert int(checkpoints.restore_newest(state).step) == 2
    assert not (workdir / 'checkpoints' / '.3.tmp').exists()


@pytest.mark.parametrize('place', ['gan_jax.checkpoint._checkpointer', 'gan_jax.manifest.write', 'os.rename'])
def test_a_save_that_fails_is_told_and_leaves_the_others(place, saved, state, tmp_path, monkeypatch):
    workdir, said = shutil.copytree(saved, tmp_path / 'run'), []
    checkpoints = Checkpoints(workdir, keep=1, say=said.append)
    checkpoints.restore_newest(state)
    before = files(workdir)

    def fail(*arguments, **keywords):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(place, fail)
        checkpoints.save(at(state, 3))
        checkpoints.wait()
    assert files(workdir) == before
    cause = 'the checkpoint could not be written (No space left on device)'
    assert said == [f'step 3: {cause}; the last good checkpoint is at step 2']
    checkpoints.save(at(state, 4))  # and the next one is tried
    checkpoints.wait()
    assert checkpoints.steps() == [4]
    assert checkpoints.saved_step == 4


def test_retention_keeps_the_newest_and_what_is_marked(state, tmp_path):
    write(tmp_path, state, [1, 2], keep=2)
    (tmp_path / 'checkpoints/1/keep').touch()
    write(tmp_path, state, [3, 4, 5], keep=2)
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.steps() == [1, 4, 5]
    assert [checkpoints.facts(step)['step'] for step in checkpoints.steps()] == [1, 4, 5]


def test_what_is_superfluous():
    assert superfluous([1, 2, 3, 4], 1, lambda step: False) == [1, 2, 3]
    assert superfluous([4, 2, 3, 1], 2, lambda step: step == 2) == [1]
    assert superfluous([7], 1, lambda step: False) == []
    assert superfluous([1, 2], 5, lambda step: False) == []


def test_a_state_goes_through_bytes_unchanged(state):
    negative_zeros = state.replace(params=jax.tree.map(lambda x: -0.0 * x, state.params))
    assert state_sha256(from_bytes(to_bytes(negative_zeros), state)) == state_sha256(negative_zeros)
