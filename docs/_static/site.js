// What the theme leaves out for those who read with a keyboard or a screen reader: the level of the headings in the
// navigation, names for the two bars, and blocks that can be scrolled without a mouse.
document.addEventListener('DOMContentLoaded', () => {
  for (const caption of document.querySelectorAll('.caption[role=heading]')) caption.setAttribute('aria-level', '2')
  document.querySelector('.sidebar-drawer')?.setAttribute('aria-label', 'All pages')
  document.querySelector('.toc-drawer')?.setAttribute('aria-label', 'This page')
  for (const block of document.querySelectorAll('pre')) block.tabIndex = 0
})
