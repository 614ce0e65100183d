"""What users write, from text to checked fields.

==================  ===================================================================================================
module              concept
==================  ===================================================================================================
`source`            a text before it is YAML: encoding, characters, lines; libyaml's complaints in plain words
`scalar`            what a YAML scalar means (core schema of YAML 1.2)
`builder`           data and marks from parser events
`layout`            how the text of a scalar lies in its file
`origin`            where every value of a document was written
`yaml`              reading documents: the entrance to the five above
`dump`              YAML for people
`resource`          specs, values, links, env entries as data
`common`            reading the fields that every spec shares
`model`             reading specs and values, alone and in files: the entrance to the two above
`meaning`, `patch`  the hash of what data means; JSON merge patch
`template`          `{{ .NAME }}` in strings
`binding`           filling the templates of a spec from values and environment
`fields`, `schema`  the class behind each node kind, and its special fields
`complaint`         pydantic's errors in plain words
`json_schema`       what editors complete from
`problems`          collects findings with their places
`report`, `suggest` findings for a terminal; did you mean
==================  ===================================================================================================

The way of a spec: `model.parse_specs` → `binding.bind` → `schema.decode`.
"""
