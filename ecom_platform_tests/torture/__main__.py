"""`make torture`. Each process that is tortured imports this file, so it holds nothing."""

if __name__ == "__main__":
    from ecom_platform_tests.torture.parts import main

    main()
