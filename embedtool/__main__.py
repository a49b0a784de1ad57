from embedtool.cli import main

main()
