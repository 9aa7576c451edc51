#!/usr/bin/env python3
"""Makes .venv and installs the tested stack into it; does nothing if that is done.

Runs before anything is installed, on any Python 3, to be able to say that it is too old.
"""

import argparse
import glob
import hashlib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, '.venv')
PYTHON = os.path.join(VENV, 'bin', 'python')
LOG = os.path.join(ROOT, '.venv-install.log')
OLDEST = (3, 10)

# distributions of the OpenMMLab line, which write into the folders of the maintained one
CLASHES = {
    'mmengine': 'onedl-mmengine',
    'mmengine-lite': 'onedl-mmengine',
    'mmcv': 'onedl-mmcv',
    'mmcv-lite': 'onedl-mmcv',
    'mmsegmentation': 'onedl-mmsegmentation',
}
NO_INDEX = re.compile(
    r'NewConnectionError|ConnectTimeout|Connection refused|name resolution|Name or service|'
    r'Network is unreachable|ProxyError|SSLError|requirement .* \(from versions: none\)',
    re.IGNORECASE,
)


def stop(message):
    """Ends with one line."""
    sys.exit('error: ' + message)


def fingerprint():
    """Returns a hash of what the installation depends on."""
    digest = hashlib.sha256()
    for name in ('pyproject.toml', 'constraints.txt'):
        with open(os.path.join(ROOT, name), 'rb') as handle:
            digest.update(handle.read())
    return digest.hexdigest()


def check_python():
    """Stops if this Python is too old for the stack, or cannot make environments."""
    if sys.version_info < OLDEST:
        folders = os.environ.get('PATH', '').split(os.pathsep)
        found = [
            path for folder in folders for path in glob.glob(os.path.join(folder, 'python3.1?'))
        ]
        newer = sorted({os.path.basename(path) for path in found} - {'python3.1', 'python3.9'})
        example = newer[-1] if newer else 'python3.12'
        where = 'run' if newer else 'install one and run'
        stop(
            'Python %d.%d is too old, mmseg-ext needs %d.%d or newer; %s: make PYTHON=%s ...'
            % (sys.version_info[:2] + OLDEST + (where, example))
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop('this Python cannot make environments; on Debian and Ubuntu: apt install python3-venv')


def check_mixed():
    """Stops if both lines of the stack are in .venv: each overwrites the other's files."""
    pattern = os.path.join(VENV, 'lib', 'python*', 'site-packages', '*.dist-info')
    names = [os.path.basename(path).rsplit('-', 2)[0] for path in glob.glob(pattern)]
    present = {name.replace('_', '-').lower() for name in names}
    for name, ours in sorted(CLASHES.items()):
        if name in present and ours in present:
            stop('.venv holds %s beside %s; remove it and start again: rm -r .venv' % (name, ours))


def install(extras):
    """Makes .venv and installs into it; pip's output goes to a log, its headlines to the screen."""
    if not os.path.exists(PYTHON):
        print('making .venv with Python %d.%d' % sys.version_info[:2])
        subprocess.check_call([sys.executable, '-m', 'venv', VENV])
    target = '%s[%s]' % (ROOT, extras) if extras else ROOT
    command = [PYTHON, '-m', 'pip', 'install', '--disable-pip-version-check', '--retries', '2']
    command += ['-c', os.path.join(ROOT, 'constraints.txt'), '-e', target]
    print('installing the stack, some minutes; the log is .venv-install.log')
    pip = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    with open(LOG, 'w') as log:
        for line in pip.stdout:
            log.write(line)
            log.flush()
            if line.startswith(('Collecting', 'Building', 'Installing')):
                print('  ' + line.strip()[:90], flush=True)
    if pip.wait() != 0:
        with open(LOG) as log:
            text = log.read()
        reason = NO_INDEX.search(text)
        if reason:
            stop(
                'pip reaches no package index (%s); check the network, or name a mirror with '
                'PIP_INDEX_URL; the log is .venv-install.log' % reason.group()
            )
        errors = [line.strip() for line in text.splitlines() if 'error:' in line.lower()]
        stop('%s; the log is .venv-install.log' % (errors or ['pip failed'])[0])


def main():
    """Installs if the installation is not there or not of these requirements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--extras', default='dev', help='extras of pyproject.toml, comma-separated')
    extras = parser.parse_args().extras
    stamp = os.path.join(VENV, '.installed')
    wanted, done, have = fingerprint(), '', ''
    if os.path.exists(stamp):
        with open(stamp) as handle:
            done, _, have = handle.read().partition(' ')
    every = set(extras.split(',')) | set(have.split(',')) - {''}
    if done != wanted or every != set(have.split(',')):
        check_python()
        check_mixed()
        extras = ','.join(sorted(every))
        install(extras)
        with open(stamp, 'w') as handle:
            handle.write(wanted + ' ' + extras)
    check_mixed()


if __name__ == '__main__':
    main()
