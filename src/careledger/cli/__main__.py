"""`python -m careledger.cli`: the command line, for processes that start each other."""

from careledger.cli.main import main

if __name__ == "__main__":
    main()
