"""How codecs compare: records of files, baselines, tables and curves."""
