"""Values that nobody means, or nearly nobody: texts as they are typed, and what stands in JSON files."""

import os

from hypothesis import strategies as st

NUMBERS = [
    *('0', '1', '-1', '-0', '3', '4', '8', '16', '64', '1000', '1024', '10000', '65536', '100000'),
    *('2147483', '2147483.647', '2147483647', '2147483648', '-2147483649', '18446744073709551616'),
    *('1e18', '1.1e18', '1e308', '-1e308', '1e309', '1e-308', '5e-324', '0.999999999', '1.0000001'),
    *('nan', 'inf', '1_000', '0x10', '1e3', '+5', ' 5 ', '٣', '½'),
    *('9' * 5000, '0.' + '0' * 5000 + '1', '1e' + '9' * 50),
]
WORDS = [
    *('true', 'false', 'None', '', ' ', ',', ',,', '[]', '{}', '()', '-', '--', '=', '%', '%s', '{x}', "'"),
    *('float32', 'bfloat16', 'crop', 'pad', 'auto', 'device', 'host', 'stop', 'skip', 'normal', 'uniform'),
    *('none', 'r1', 'gradient_penalty', 'hinge', 'wasserstein', 'relativistic', 'dcgan', 'progan'),
    *('train', 'test', 'train[:1]', 'train[:2]', 'train[:0]', 'train[5%:15%]', 'train[-7:]', 'train+test'),
    *('train[:10%](closest)', 'train[:150%]', 'train[1:2:3]', 'train@2', 'all', 'train[', '+', 'train+'),
    *('fashion_mnist_10k', 'fashion_mnist_10k:1.0.0', 'fashion_mnist_10k:*.*', 'fashion_mnist_10k/..'),
    *('mnist', 'a/b', ':', 'x' * 300, 'x' * 100_000, 'host:1', '[::1]:99999', 'host:65536'),
]
PATHS = [
    *('.', '..', '../..', '/dev/null', '/dev/full', '/no/such', '~', '~/x', '~nobody_here/x', 'a\0b', 'a/'),
    *('a/../b', '../' * 2000, 'a/' * 3000, 'é' * 200, '*', '**', '[', 'a b', 'x\ny', '\ud800', '\udcff'),
]
TEXTS = st.one_of(
    st.text(max_size=20),
    st.binary(max_size=20).map(os.fsdecode),  # as a shell may hand it over
    st.text('0123456789.,-+e_%[]:/train \n', max_size=12),
)
ATOMS = st.one_of(
    st.integers(-2, 300).map(str),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from([*NUMBERS, *WORDS, *PATHS]),
    TEXTS,
)
VALUES = ATOMS | st.lists(ATOMS, max_size=10).map(','.join)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*WORDS, *PATHS])
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
