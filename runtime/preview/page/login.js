// Trades the token for a cookie. In the URL of the log it stands behind the #, which browsers send to nobody.
const form = document.getElementById("login");
const field = document.getElementById("token");
const problem = document.getElementById("problem");

async function logIn(token) {
  problem.textContent = "";
  try {
    const answer = await fetch("/login", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    if (answer.ok) location.replace("/");
    else problem.textContent = "That is not the token. A new one is made at every start, unless a file holds it.";
  } catch {
    problem.textContent = "The box does not answer.";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(field.value.trim());
});

const given = decodeURIComponent(location.hash.slice(1));
if (given) {
  history.replaceState(null, "", "/login");
  field.value = given;
  logIn(given);
}
