"""What NVIDIA's TorchScript of the FID's Inception-v3 calls the parts that PyTorch's other ports have."""

TOP = {
    'Conv2d_1a_3x3': 'conv',
    'Conv2d_2a_3x3': 'conv_1',
    'Conv2d_2b_3x3': 'conv_2',
    'Conv2d_3b_1x1': 'conv_3',
    'Conv2d_4a_3x3': 'conv_4',
    'Mixed_5b': 'mixed',
    'Mixed_5c': 'mixed_1',
    'Mixed_5d': 'mixed_2',
    'Mixed_6a': 'mixed_3',
    'Mixed_6b': 'mixed_4',
    'Mixed_6c': 'mixed_5',
    'Mixed_6d': 'mixed_6',
    'Mixed_6e': 'mixed_7',
    'Mixed_7a': 'mixed_8',
    'Mixed_7b': 'mixed_9',
    'Mixed_7c': 'mixed_10',
}
BLOCK_A = {
    'branch1x1': 'conv',
    'branch5x5_1': 'tower.conv',
    'branch5x5_2': 'tower.conv_1',
    'branch3x3dbl_1': 'tower_1.conv',
    'branch3x3dbl_2': 'tower_1.conv_1',
    'branch3x3dbl_3': 'tower_1.conv_2',
    'branch_pool': 'tower_2.conv',
}
BLOCK_B = {
    'branch3x3': 'conv',
    'branch3x3dbl_1': 'tower.conv',
    'branch3x3dbl_2': 'tower.conv_1',
    'branch3x3dbl_3': 'tower.conv_2',
}
BLOCK_C = {
    'branch1x1': 'conv',
    'branch7x7_1': 'tower.conv',
    'branch7x7_2': 'tower.conv_1',
    'branch7x7_3': 'tower.conv_2',
    'branch7x7dbl_1': 'tower_1.conv',
    'branch7x7dbl_2': 'tower_1.conv_1',
    'branch7x7dbl_3': 'tower_1.conv_2',
    'branch7x7dbl_4': 'tower_1.conv_3',
    'branch7x7dbl_5': 'tower_1.conv_4',
    'branch_pool': 'tower_2.conv',
}
BLOCK_D = {
    'branch3x3_1': 'tower.conv',
    'branch3x3_2': 'tower.conv_1',
    'branch7x7x3_1': 'tower_1.conv',
    'branch7x7x3_2': 'tower_1.conv_1',
    'branch7x7x3_3': 'tower_1.conv_2',
    'branch7x7x3_4': 'tower_1.conv_3',
}
BLOCK_E = {
    'branch1x1': 'conv',
    'branch3x3_1': 'tower_conv',
    'branch3x3_2a': 'tower_mixed_conv',
    'branch3x3_2b': 'tower_mixed_conv_1',
    'branch3x3dbl_1': 'tower_1_conv',
    'branch3x3dbl_2': 'tower_1_conv_1',
    'branch3x3dbl_3a': 'tower_1_mixed_conv',
    'branch3x3dbl_3b': 'tower_1_mixed_conv_1',
    'branch_pool': 'tower_2_conv',
}
BLOCKS = {
    'Mixed_5b': BLOCK_A,
    'Mixed_5c': BLOCK_A,
    'Mixed_5d': BLOCK_A,
    'Mixed_6a': BLOCK_B,
    'Mixed_6b': BLOCK_C,
    'Mixed_6c': BLOCK_C,
    'Mixed_6d': BLOCK_C,
    'Mixed_6e': BLOCK_C,
    'Mixed_7a': BLOCK_D,
    'Mixed_7b': BLOCK_E,
    'Mixed_7c': BLOCK_E,
}
# Of a convolution and its batch norm, which are one module there; the norm has no scale.
LEAVES = {'conv.weight': 'weight', 'bn.bias': 'beta', 'bn.running_mean': 'mean', 'bn.running_var': 'var'}


def torchscript_name(name: str) -> str:
    """'Mixed_5b.branch5x5_1.bn.bias' -> 'layers.mixed.tower.conv.beta'."""
    if name.startswith('fc.'):
        return name.replace('fc.', 'output.')
    top, *block, module, leaf = name.split('.')
    leaf = f'{module}.{leaf}'
    return '.'.join(['layers', TOP[top], *(BLOCKS[top][part] for part in block), LEAVES.get(leaf, leaf)])
