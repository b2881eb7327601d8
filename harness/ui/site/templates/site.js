(function () {
  "use strict";
  var form = document.getElementById("filters");
  if (!form) { return; }
  var rows = Array.prototype.slice.call(document.querySelectorAll("tbody tr[data-level]"));
  var count = document.getElementById("count");
  function read() {
    var asked = new URLSearchParams(location.hash.slice(1));
    ["text", "level", "verdict"].forEach(function (name) { form.elements[name].value = asked.get(name) || ""; });
  }
  function apply() {
    var text = form.elements.text.value.toLowerCase();
    var level = form.elements.level.value;
    var verdict = form.elements.verdict.value;
    var shown = 0;
    rows.forEach(function (row) {
      var fits = (!text || row.textContent.toLowerCase().indexOf(text) >= 0) &&
        (!level || row.dataset.level === level) &&
        (!verdict || (" " + row.dataset.verdicts + " ").indexOf(" " + verdict + " ") >= 0);
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = shown + " of " + rows.length + " requirements";
  }
  function write() {
    var asked = new URLSearchParams();
    ["text", "level", "verdict"].forEach(function (name) {
      if (form.elements[name].value) { asked.set(name, form.elements[name].value); }
    });
    history.replaceState(null, "", "#" + asked.toString());
    apply();
  }
  form.addEventListener("input", write);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  window.addEventListener("hashchange", function () { read(); apply(); });
  read();
  apply();
}());
