"""One measurement for each of several batch sizes or numbers of devices: a table and a plot."""

import io

from gan_jax.pictures import write_atomically


def table(field: str, results: list[dict]) -> str:
    """A measurement a row; `scaling` is a device's images per second against the first row's."""
    columns = [field, 'batch size', 'step ms', 'min', 'max', 'images/s', 'per device', 'scaling', 'to peer']
    rows = [columns]
    for result in results:
        seconds, per_device = result['step_seconds'], result['images_per_second_per_device']
        peer = result.get('ratio_to_peer')
        rows.append(
            [
                str(result[field]),
                str(result['batch_size']),
                *(f'{1000 * seconds[name]:.2f}' for name in ('median', 'min', 'max')),
                f'{result["images_per_second"]:,.0f}',
                f'{per_device:,.0f}',
                f'{per_device / results[0]["images_per_second_per_device"]:.2f}',
                f'{peer["median"]:.2f}' if peer else '',
            ]
        )
    return aligned(rows)


def aligned(rows: list[list[str]]) -> str:
    """Cells in columns, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(f'{cell:>{width}}' for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def draw(path: str, field: str, results: list[dict]) -> None:
    """Images per second over the swept field, ours and the best peer's, and perfect scaling of the first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    values = [result[field] for result in results]
    ours = [result['images_per_second'] for result in results]
    axes.plot(values, ours, 'o-', label='gan_jax')
    if 'ratio_to_peer' in results[0]:
        peers = [result['batch_size'] / result['peer'][result['best_peer']]['median'] for result in results]
        axes.plot(values, peers, 's--', label='PyTorch, its best form')
    if field == 'num_devices':
        axes.plot(values, [ours[0] * value / values[0] for value in values], ':', label='perfect scaling')
    axes.set_xscale('log', base=2)
    axes.set_xticks(values, [str(value) for value in values])
    axes.set_ylim(0, 1.1 * axes.dataLim.ymax)
    axes.set_xlabel(field.replace('_', ' '))
    axes.set_ylabel('images per second')
    first = results[0]
    axes.set_title(
        f'{first["system"]} at {first["resolution"]} pixels, {first["dtype"]}, {first["device_kind"]}'
    )
    axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    write_atomically(path, buffer.getvalue())
