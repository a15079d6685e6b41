from setuptools import setup

NAME = "panodepth_ros"

setup(
    name=NAME,
    version="0.1.0",
    packages=[NAME],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools", "panodepth"],
    license="Apache-2.0",
    entry_points={"console_scripts": [f"scan = {NAME}.node:main"]},
)
