"""`python -m gradgate` is `gradgate`."""

from gradgate.cli import main

if __name__ == "__main__":
    main()
