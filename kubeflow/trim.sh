#!/bin/sh
# Takes out of an installed environment what no step opens: `sh trim.sh ENVIRONMENT`.
#
# Each line is here because whole pipelines run in containers without it (`make test-kubeflow`), and
# saves what it says. What serves one way of use, such as MLflow's pages, stays.
set -eu
cd "${1:?which environment?}"/lib/python3.*/site-packages

# Headers, for compilers that are not there: 440 MB.
rm -rf tensorflow/include jaxlib/include pyarrow/include pyarrow/src
# libclang, which TensorFlow asks for and nothing imports; stubs with which a prompt completes names: 95 MB.
rm -rf clang jedi/third_party
# Packages' own tests: 45 MB with what they compile to.
for package in google/genai matplotlib mlflow numpy pandas pyarrow scipy sklearn; do
    find "$package" -type d -name tests -prune -exec rm -rf {} +
done
# Tables of symbols that only debuggers read: 450 MB. Those below *.libs were laid out by hand when
# their wheel was made, and another tool would break them.
find . -type f \( -name '*.so' -o -name '*.so.[0-9]*' \) -not -path '*.libs/*' \
    -exec strip --strip-unneeded {} +
