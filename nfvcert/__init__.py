"""nfvcert: certify releases of NFV infrastructure, VIM and VNFs with pytest.

    inventory            a lab as data                      files → lab
    test model           what is required, and how to test  testmodel_files → testmodel
    plan                 what will be run, with reasons     planning, streams
    run                  claim, act, measure                plugin, certification, suites/
    judge                facts → verdicts → a decision      judge
    record, report       facts for machines, for people     record, archive, render

Suites import their names from `nfvcert.suite`. This module imports nothing: pytest loads it at every start.
"""
