"""Let `python -m entro_cli` run the `entro` command."""

from entro_cli.app import main

if __name__ == "__main__":  # a worker process imports this module, too
    main()
