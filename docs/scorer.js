// How the search box ranks: pages for readers come before the reference and the examples, which hold most words; of
// two pages that hold the words the list of questions comes first.
var Scorer = {
  score: ([page, , , , score]) =>
    score + (page === "questions" ? 9 : /^(generated|auto_examples)\//.test(page) ? 0 : 8),
  // Sphinx's own numbers.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
