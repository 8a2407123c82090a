[
  inputs: ["{mix,.formatter}.exs", "{lib,test,samples}/**/*.{ex,exs}"],
  line_length: 100,
  locals_without_parens: [trace: 2, trace: 3, span: 2, span: 3, span: 4],
  export: [locals_without_parens: [trace: 2, trace: 3, span: 2, span: 3, span: 4]]
]
