"""Small programs that must not notice whether their functions are captured; README.md says how to add one."""

from tests.package import find_package

find_package()
